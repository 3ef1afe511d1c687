"""The Space: build the page, launch it."""

from cxr_demo.web import layout

demo = layout.build()

if __name__ == "__main__":
    layout.serve(demo)
