"""The Space: build the page, launch it."""

from cxr_demo.web import page

demo = page.build()

if __name__ == "__main__":
    page.serve(demo)
