from hostloop import App

app = App()


@app.get("/")
async def hello() -> str:
    return "Hello, world!\n"


if __name__ == "__main__":
    app.run(port=8000)
