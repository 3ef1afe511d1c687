"""Compare how Grad-CAM, LIME and occlusion explain a chest X-ray classifier.

Importing this package neither imports torch nor opens a socket; each module brings what it needs.
"""

__version__ = "0.1.0"
