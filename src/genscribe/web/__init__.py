"""The live page and its API: reads what was committed, and never holds anything up.

`server.py` listens, `access.py` says who may, `app.py` names the routes; `hub.py` hands what is committed to browsers;
the rest answers one question each. `page/` is what the browser gets.
"""
