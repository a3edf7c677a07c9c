"""What scripts begin with that serve an app in a process of their own, with nothing of ours in it but tracing."""

ASK = """
import socket, threading, urllib.request, uvicorn

def ask(app, path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", timeout=30) as answer:
            body = answer.read().decode()
        server.should_exit = True
        thread.join()
        return body

"""
"""Python source: ``ask(app, path)`` is the body with which the app answers a GET."""
