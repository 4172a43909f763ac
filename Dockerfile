# For a Hugging Face Space: everything runs as uid 1000.
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd -m -u 1000 user
USER user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    HF_HOME=/home/user/.cache/huggingface \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false \
    STREAMLIT_SERVER_FILE_WATCHER_TYPE=none \
    OMP_NUM_THREADS=1 \
    STREAMLIT_SERVER_MAX_MESSAGE_SIZE=64 \
    AECORE_MAX_UPLOAD_MB=100 \
    AECORE_MAX_DATA_GB=1 \
    AECORE_RUN_NICE=5
WORKDIR /home/user/app
# PyTorch without CUDA; for a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --chown=user requirements.txt .
# Tests of libraries and headers of PyTorch are removed: a fifth of what is installed.
RUN grep '^torch' requirements.txt > torch.txt \
    && pip install --no-cache-dir --user --index-url "$TORCH_INDEX" -r torch.txt \
    && pip install --no-cache-dir --user -r requirements.txt \
    && cd "$HOME"/.local/lib/python3.*/site-packages \
    && find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
    && find torch -path 'torch/bin/*' -type f ! -name torch_shm_manager -delete \
    && rm -rf torch/include
COPY --chown=user . .
EXPOSE 7860
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=5)"
CMD ["sh", "-c", "exec streamlit run app.py --server.headless true --server.port 7860 --server.address 0.0.0.0 ${SPACE_HOST:+--server.corsAllowedOrigins https://$SPACE_HOST}"]
