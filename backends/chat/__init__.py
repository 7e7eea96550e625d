"""Chat engines. Requests and answers are OpenAI's chat-completions JSON (see `specification.py`)."""
