"""The pretrained autoencoders of Hugging Face's diffusers as aezoo models.

manifest   what aezoo finds: components, models, the format    (no torch)
configs    the components' arguments, called as diffusers does (no torch)
reader     a repository's config.json and tensors to a spec and its tensors
encoders, decoders
           diffusers' own networks between aezoo's ranges and shapes
latents    posteriors and prior in the scale that diffusion models use
distance   the likelihood that is none
tiles      large inputs in overlapping windows
"""
