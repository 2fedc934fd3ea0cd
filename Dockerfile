# The app with ONNX models: no training framework, no compiler, no root.
#   docker build -t lopore .
#   docker run --rm -p 127.0.0.1:8501:8501 -v "$PWD/models/final:/models:ro" lopore

FROM python:3.11-slim AS build
WORKDIR /src
COPY constraints.txt ./
COPY packages/lopore-core packages/lopore-core
COPY packages/lopore-onnx packages/lopore-onnx
COPY packages/lopore-enhance packages/lopore-enhance
COPY packages/lopore-app packages/lopore-app
RUN python -m venv /opt/lopore \
    && /opt/lopore/bin/pip install --no-cache-dir --constraint constraints.txt \
       "./packages/lopore-core[dicom,tiff]" ./packages/lopore-onnx ./packages/lopore-enhance ./packages/lopore-app \
    && /opt/lopore/bin/lopore plugins --strict

FROM python:3.11-slim
# OpenCV comes headless, so the image needs no libGL and no X11.
RUN useradd --create-home --uid 10001 --shell /usr/sbin/nologin lopore
COPY --from=build /opt/lopore /opt/lopore
ENV PATH=/opt/lopore/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    LOPORE_MODELS=/models \
    LOPORE_REPORTS=/reports \
    LOPORE_UPLOAD_MB=50
USER lopore
WORKDIR /home/lopore
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# All interfaces of the container; which of the host's reach it is said by -p or by the compose file.
# The app itself switches protection against foreign origins (CORS, XSRF) on.
ENTRYPOINT ["lopore", "app", "--address", "0.0.0.0", "--port", "8501", "--no-browser"]
