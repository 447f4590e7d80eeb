# The environment (stage env) is the hash-locked requirements and nothing else, so that code
# changes never rebuild it. `docker build .` by hand gives the image that runs use.
ARG BASE_IMAGE=python:3.11-slim
# A run names the environment image that it has already; by hand it is the stage below.
ARG ENVIRONMENT=env

FROM ${BASE_IMAGE} AS env
COPY requirements.txt /opt/requirements.txt
RUN python -m venv /opt/environment \
 && /opt/environment/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --requirement /opt/requirements.txt \
 && mkdir -p /output /inputs /cache/numba /run/workhorse /workspace/results /home/workhorse \
 && chmod 1777 /output /cache/numba /run/workhorse /home/workhorse \
 && echo 'workhorse:x:1000:1000::/home/workhorse:/bin/sh' >> /etc/passwd \
 && echo 'workhorse:x:1000:' >> /etc/group
# By hand, under plain papermill or Jupyter, cells know OUTPUT_DIR as they do in a run.
RUN mkdir -p /opt/environment/etc/ipython \
 && echo "c.InteractiveShellApp.exec_lines = [\"OUTPUT_DIR = __import__('pathlib').Path(__import__('os').environ['OUTPUT_DIR'])\"]" \
    > /opt/environment/etc/ipython/ipython_config.py
ENV PATH=/opt/environment/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    VIRTUAL_ENV=/opt/environment \
    LANG=C.UTF-8 \
    PYTHONPATH=/workspace \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OUTPUT_DIR=/output \
    HOME=/home/workhorse \
    USER=workhorse \
    LOGNAME=workhorse \
    NUMBA_CACHE_DIR=/cache/numba \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MKL_NUM_THREADS=1 \
    VECLIB_MAXIMUM_THREADS=1 \
    NUMEXPR_NUM_THREADS=1

FROM ${ENVIRONMENT} AS run
COPY remote/ /workspace/remote/
COPY notebooks/ /workspace/notebooks/
USER 1000:1000
WORKDIR /workspace/notebooks
STOPSIGNAL SIGTERM
ENTRYPOINT []
# By hand, without a command: the notebook that proves a host.
CMD ["papermill", "00_test_remote.ipynb", "/output/executed.ipynb"]
