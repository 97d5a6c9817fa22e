"""Message classes and codecs of the lab. No I/O: everybody may import it, it imports nobody of ours.

Whatever bytes come in, a decoder either returns a message or raises `PayloadError` with the reason; nothing else.
"""
