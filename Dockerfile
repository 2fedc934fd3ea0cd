# App and service with ONNX models: no training framework, no compiler, no root.
#   docker build -t lopore:0.1.0 .
#   docker run --rm -p 127.0.0.1:8501:8501 -v "$PWD/models/final:/models:ro" lopore:0.1.0
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/models/final:/models:ro" lopore:0.1.0 serve --address 0.0.0.0 --open

FROM python:3.11-slim AS build
WORKDIR /src
COPY constraints.txt ./
COPY packages/lopore-core packages/lopore-core
COPY packages/lopore-onnx packages/lopore-onnx
COPY packages/lopore-enhance packages/lopore-enhance
COPY packages/lopore-app packages/lopore-app
COPY packages/lopore-serve packages/lopore-serve
RUN python -m venv /opt/lopore \
    && /opt/lopore/bin/pip install --no-cache-dir --constraint constraints.txt \
       "./packages/lopore-core[dicom,tiff,postgresql]" ./packages/lopore-onnx ./packages/lopore-enhance \
       ./packages/lopore-app "./packages/lopore-serve[dicom,postgresql]" \
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
USER 10001
WORKDIR /home/lopore
EXPOSE 8501 8000 11112
ENTRYPOINT ["lopore"]
# All interfaces of the container; which of the host's reach it is said by -p or by the compose file.
# The app itself switches protection against foreign origins (CORS, XSRF) on.
CMD ["app", "--address", "0.0.0.0", "--port", "8501", "--no-browser"]
