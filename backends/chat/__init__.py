"""Chat engines. Requests and answers are OpenAI's JSON, made conformant by `specification.py`."""
