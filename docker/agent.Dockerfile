# Versions of Debian packages are not pinned: its mirrors keep only the newest, with security fixes.
# hadolint global ignore=DL3008
# The agent on a GPU, with what official evaluators need. CUDA's runtime comes with torch's wheels,
# locked with the rest; the driver's own libraries come from NVIDIA's container toolkit. Targets:
#   agent        runner, training, leaderboard 2.1 and scenario_runner
#   submission   the same, laid out as CARLA's leaderboard expects a team's image
#   bench2drive  Bench2Drive 0.0.4, which holds its own evaluator
ARG BASE=debian:bookworm-slim

# Checkouts by commit: git checks the content against it. They are those of
# evaluation/official/setup_check.py.
FROM ${BASE} AS checkouts
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY docker/checkout.sh /usr/local/bin/checkout
ARG GITHUB=https://github.com
ENV GITHUB=${GITHUB}
ARG LEADERBOARD=cfecdc8d99f933a09b27176829ce7b8d63d66d8d
RUN checkout carla-simulator/leaderboard "${LEADERBOARD}" /workspace/leaderboard
ARG SCENARIO_RUNNER=d7bcaf0dee05fdfd720bda45740b8c9f11ee478a
RUN checkout carla-simulator/scenario_runner "${SCENARIO_RUNNER}" /workspace/scenario_runner
# The package `agents` of the CARLA release whose wheel is installed.
ARG CARLA=0.9.16
RUN checkout carla-simulator/carla "${CARLA}" /workspace/CARLA PythonAPI/carla/agents

FROM checkouts AS bench2drive-checkout
ARG BENCH2DRIVE=7ec25d1c9f7522d923ce5f3420986cef1cb2d956
RUN checkout Thinklab-SJTU/Bench2Drive "${BENCH2DRIVE}" /workspace/Bench2Drive

FROM ${BASE} AS builder
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && python3 -m venv /opt/simlingo
ARG PIP_FLAGS=""
ARG PIP_CERT
# docker/cuda.lock; cpu.lock for a try without a GPU.
ARG LOCK=cuda.lock
COPY docker/*.lock /src/docker/
# hadolint ignore=SC2086
RUN /opt/simlingo/bin/pip install --no-cache-dir --no-compile --require-hashes ${PIP_FLAGS} \
        -r "/src/docker/${LOCK}"
COPY pyproject.toml setup.cfg README.md LICENSE /src/
COPY planner /src/planner
COPY model /src/model
COPY agent /src/agent
COPY evaluation /src/evaluation
# The last line gives what evaluators of 2021 miss on a new Python to every process of the image, so
# that the organisers' own command line runs as well.
RUN /opt/simlingo/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation \
        --no-index /src \
    && echo "import evaluation.official.compatibility as given; given.install()" \
        > /opt/simlingo/lib/python3.11/site-packages/simlingo_evaluators.pth
COPY docker/slim.sh docker/unloaded.py /src/docker/
RUN /src/docker/slim.sh /opt/simlingo

FROM ${BASE} AS agent
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libegl-mesa0 libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --create-home --uid 1000 driver \
    && install -d -o driver -g driver /results
COPY --from=builder /opt/simlingo /opt/simlingo
COPY --from=checkouts /workspace /workspace
COPY docker/entrypoint.sh /usr/local/bin/entrypoint
# `all` brings the driver's EGL beside CUDA.
ENV PATH=/opt/simlingo/bin:${PATH} \
    OMP_NUM_THREADS=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=all \
    CARLA_ROOT=/workspace/CARLA \
    CARLA_AGENTS_ROOT=/workspace/CARLA/PythonAPI/carla \
    LEADERBOARD_ROOT=/workspace/leaderboard \
    SCENARIO_RUNNER_ROOT=/workspace/scenario_runner
USER 1000:1000
WORKDIR /results
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["entrypoint", "health"]
ENTRYPOINT ["tini", "--", "entrypoint"]
CMD ["doctor"]

# Names and places as in the leaderboard's own scripts/Dockerfile.master.
FROM agent AS submission
ENV TEAM_CODE_ROOT=/opt/simlingo/lib/python3.11/site-packages/agent \
    TEAM_AGENT=/opt/simlingo/lib/python3.11/site-packages/agent/simlingo_agent.py \
    TEAM_CONFIG="" \
    CHALLENGE_TRACK_CODENAME=SENSORS \
    ROUTES=/workspace/leaderboard/data/routes_training.xml \
    REPETITIONS=1 \
    CHECKPOINT_ENDPOINT=/results/results.json \
    DEBUG_CHALLENGE=0 \
    PYTHONPATH=/workspace/CARLA/PythonAPI/carla:/workspace/scenario_runner:/workspace/leaderboard
CMD ["submission"]

FROM agent AS bench2drive
COPY --from=bench2drive-checkout /workspace/Bench2Drive /workspace/Bench2Drive
ENV LEADERBOARD_ROOT="" \
    SCENARIO_RUNNER_ROOT="" \
    BENCH2DRIVE_ROOT=/workspace/Bench2Drive \
    TEAM_AGENT=/opt/simlingo/lib/python3.11/site-packages/agent/simlingo_agent.py \
    TEAM_CONFIG="" \
    CHALLENGE_TRACK_CODENAME=SENSORS \
    ROUTES=/workspace/Bench2Drive/leaderboard/data/bench2drive220.xml \
    CHECKPOINT_ENDPOINT=/results/results.json
CMD ["submission"]
