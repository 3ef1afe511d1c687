"""The Space: build the page, launch it."""

from cxr_demo.ui import page

demo = page.build()

if __name__ == "__main__":
    page.serve(demo)
