# One image for web, worker and beat of the scaled topology; compose.yaml shows them together.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
RUN python -m venv /opt/portal \
 && /opt/portal/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement /requirements.txt

FROM node:22-bookworm-slim AS node

FROM python:3.11-slim-bookworm
# git: programs of teams. Node and npm: MCP servers from npm.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/orchestra --shell /usr/sbin/nologin orchestra
COPY --from=packages /opt/portal /opt/portal
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
WORKDIR /srv/portal
COPY . .
ENV PATH=/opt/portal/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=orchestra_portal.settings \
    ORCHESTRA_HOME=/var/lib/orchestra/state
RUN install -d -o orchestra -g orchestra -m 700 /var/lib/orchestra/state
USER 10001
EXPOSE 8100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s CMD ["python", "-m", \
  "orchestra_portal.start.alive"]
CMD ["daphne", "-b", "0.0.0.0", "-p", "8100", "--no-server-name", "orchestra_portal.asgi:application"]
