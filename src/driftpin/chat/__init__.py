"""What a chat says and may do: states, messages, the prompt, skill tools, receipts. All of it pure.

Nothing in this room opens a file, a socket or a database. A prompt is a function of the pin, the
budget and `prompt.RENDERER_VERSION`; whatever changes by itself goes behind the history
(`volatile`).
"""
