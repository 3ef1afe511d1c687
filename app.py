"""Entry point of a Hugging Face Space: builds and serves the page."""

from cxr_demo.web import layout

demo = layout.build()

if __name__ == "__main__":
    layout.serve(demo)
