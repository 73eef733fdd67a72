"""vector-quantize-pytorch's quantizers as aezoo components: ``vqp/rvq(8,1024,128)``."""

__version__ = "0.1.0"
