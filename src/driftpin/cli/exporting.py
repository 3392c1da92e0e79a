"""`driftpin export`: a chat's pin, fetched and written out."""

import base64
from pathlib import Path

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.exported_tree import plan_tree, write_tree
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.context.manifest import resources_of
from driftpin.errors import Rejected
from driftpin.identity import Digest, digest_of
from driftpin.wire.transfer import ExportShape


def export(reach: Reach, name: str, directory: Path, *, as_json: bool) -> None:
    """Write the tree of a chat's pin at `directory`, whole or not at all."""

    async def read(session: Session) -> ExportShape:
        chat = await session.get_chat(name)
        return await session.client.export_pin(chat.id)

    with output.progress("Fetching the pin …"):
        pin = in_session(reach, read)
    manifest = pinned_manifest(pin)
    files = plan_tree(resources_of(manifest))
    blobs = {Digest(file.digest): base64.b64decode(file.data) for file in pin.files}
    write_tree(directory, manifest, files, blobs)
    if as_json:
        paths = ["/".join(file.parts) for file in files]
        output.write_json({"snapshot": pin.snapshot, "files": paths})
    else:
        say(f"{output.counted(len(files), 'file')} of {pin.snapshot} in {str(directory)!r}.")


def pinned_manifest(pin: ExportShape) -> bytes:
    """Return the manifest of an exported pin; Rejected (`digest_mismatch`) if it is another one."""
    manifest = base64.b64decode(pin.manifest)
    if digest_of(manifest) != pin.snapshot:
        raise Rejected("The server's manifest is not the pinned one.", code="digest_mismatch")
    return manifest


__all__ = ["export", "pinned_manifest"]
