"""Speech for aezoo: spec parts ``audio/...``, spoken digits and voice conversion.

Nothing is imported here: the registry reads `aezoo_audio.manifest`, which needs no torch.
"""
