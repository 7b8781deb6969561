def process_name(port):
    return f"own-{int(port)}"
