"""Drover's job as a good team would do it in Python in a day: FastAPI, redis, asyncpg."""
