"""A plain web server that serves bait, and says so when bait is touched.

::

    connection   bytes of a client → Request, Response → bytes; every size and time bounded
    site         Request → Answer: what is sent back, and what it shows (pure but for the look-up of a token)
    bait, pages  what is served
    posts        pieces of a fingerprint → the whole, bounded in number, size and time
    fingerprint  what a browser sent → what is derived from it
    stun         a datagram → from where it came
    visits       requests of a connection → events of a session
    decoy        all of it together, from a socket to the database
"""
