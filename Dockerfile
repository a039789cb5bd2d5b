# Built with `docker build -t customer-health .`; run with a read-only root and one volume:
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" customer-health score health.toml
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY features features
COPY models models
COPY health health
ENV UV_PROJECT_ENVIRONMENT=/opt/health UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
RUN uv sync --locked --no-dev --no-editable --extra postgres

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin health \
    && mkdir /data && chown health /data
COPY --from=build /opt/health /opt/health
# Nothing is written outside /data and /tmp.
ENV PATH=/opt/health/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib HOME=/tmp
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["health"]
CMD ["--help"]
