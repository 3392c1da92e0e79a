"""The pages that a person sees: templates, the files they load, and what is drawn into them.

Nothing here reads the store or knows of requests: routes read, make a view out of what they read,
and have it drawn. A view is a frozen dataclass that says in words what a template shows, so that
templates only loop and ask. Whatever comes from a workspace, a model or a person is text: templates
escape it, `markdown` lets a short list of tags through, and `reveal` draws what nobody would see.
"""
