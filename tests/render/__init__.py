"""Every chart with every set of values: rendered by helm, checked offline."""
