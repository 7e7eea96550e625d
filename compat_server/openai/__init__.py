"""OpenAI's API. One file per resource; `routes.py` lists the paths, `errors.py` the error forms."""
