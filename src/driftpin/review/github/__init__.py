"""GitHub as a thin publisher of a recorded round, and as a place where people answer findings.

What is published comes out of `review.json` and nothing else. Everything that is posted begins with
a marker (`markers`), and nothing is posted before it was looked for: publishing again, or after a
crash at any call, posts nothing twice. `calls` is the only module that talks to the network;
`publishing` says what is posted where, `wording` in which words, and `comments` reads what people
wrote. The token comes from whoever composes the client and stands in one header.
"""
