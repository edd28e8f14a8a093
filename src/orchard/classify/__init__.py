"""From components to an answer: heads, honest splits, calibration, and the predictor.

The predictor needs NumPy, safetensors, PyArrow and ONNX Runtime; it knows no Spark and no
scikit-learn, so that a server answers with exactly the functions that the batch used.
"""
