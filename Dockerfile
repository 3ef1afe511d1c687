# For everywhere but a Hugging Face Space: docker build -t cxr_demo . && docker run -p 7860:7860 cxr_demo
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY app.py README.md LICENSE ./
COPY cxr_demo cxr_demo
RUN useradd --create-home --uid 1000 visitor
# by number, so that whoever runs it can see that it is not root without looking inside
USER 1000
# models that are fetched, and converted ones: mount a volume here to keep them; a new volume takes over whose folder it is
RUN mkdir /home/visitor/hf
ENV HF_HOME=/home/visitor/hf GRADIO_SERVER_NAME=0.0.0.0
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/config')"]
CMD ["python", "app.py"]
