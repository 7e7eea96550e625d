"""OpenAI's Python and JavaScript SDKs, and the bytes beneath them."""
