# Versions of Debian packages are not pinned: its mirrors keep only the newest, with security fixes.
# hadolint global ignore=DL3008
# Embedded simulator, runner and the shipped NANO checkpoint, on the CPU. docker/README.md says how
# it is built and run. BASE: Debian 12, whose Python is 3.11, for which docker/cpu.lock was made.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS builder
ARG DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && python3 -m venv /opt/simlingo
# Where the CPU build of torch is found; every file must have the hash that the lock names.
ARG PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# Certificates of a company's own index, mounted while building.
ARG PIP_CERT
COPY docker/cpu.lock /src/docker/
# hadolint ignore=SC2086
RUN /opt/simlingo/bin/pip install --no-cache-dir --no-compile --require-hashes ${PIP_FLAGS} \
        -r /src/docker/cpu.lock
COPY pyproject.toml setup.cfg README.md LICENSE /src/
COPY planner /src/planner
COPY model /src/model
COPY agent /src/agent
COPY evaluation /src/evaluation
RUN /opt/simlingo/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation \
        --no-index /src
COPY docker/slim.sh docker/unloaded.py /src/docker/
RUN /src/docker/slim.sh /opt/simlingo

FROM ${BASE}
ARG DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# Python, Mesa's software renderer through EGL, what OpenCV's wheel takes from the system, and a
# first process that hands signals on and buries children.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libegl-mesa0 libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --create-home --uid 1000 driver \
    && install -d -o driver -g driver /results
COPY --from=builder /opt/simlingo /opt/simlingo
COPY docker/entrypoint.sh /usr/local/bin/entrypoint
ENV PATH=/opt/simlingo/bin:${PATH} \
    OMP_NUM_THREADS=1
# Bytecode of what a drive imports, and of nothing else: later starts are faster by seconds.
RUN python -c "import agent.simlingo_agent, evaluation.runs.drive, evaluation.simulator.server"
USER 1000:1000
WORKDIR /results
EXPOSE 2000 2001
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["entrypoint", "health"]
ENTRYPOINT ["tini", "--", "entrypoint"]
CMD ["drive", "--out", "/results/drive"]
