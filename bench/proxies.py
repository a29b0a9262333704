"""The three that are compared, each as somebody who knows it well would set it up for one core.

All do the same work: balance round-robin over three addresses, keep and reuse connections on both sides, add
X-Forwarded-For, X-Forwarded-Proto and a request id, write no access log, and check health where they can. Buffers and
splicing of the peers are what measured best for them in these scenarios.
"""

import resource
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
NEVER = "3600s"
# HAProxy counts two descriptors and half a pipe for each, and refuses to start beyond the limit.
MAXCONN = min(20000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) * 2 // 5)


def version_of(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    words = (done.stdout + done.stderr).split()
    return next(word for word in words if pattern in word).strip("(),")


class Proxy:
    def __init__(self, folder, backends, http, tcp):
        self.folder, self.backends, self.http, self.tcp = folder, backends, http, tcp
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / self.config_name
        self.file.write_text(self.config())


class Haproxy(Proxy):
    name = "HAProxy"
    config_name = "haproxy.cfg"

    @staticmethod
    def version():
        return "HAProxy " + version_of(["/usr/sbin/haproxy", "-v"], "2.")

    def config(self):
        servers = "\n".join(
            f"    server s{number} {address} check inter 2s pool-max-conn -1"
            for number, address in enumerate(self.backends)
        )
        return f"""
global
    nbthread 1
    tune.pipesize 1048576
    maxconn {MAXCONN}
defaults
    timeout connect 1s
    timeout client {NEVER}
    timeout server {NEVER}
    timeout http-keep-alive {NEVER}
    option dontlog-normal
    option splice-request
    option splice-response
listen web
    mode http
    bind {self.http} backlog 4096
    balance roundrobin
    http-reuse always
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    unique-id-format %{{+X}}o%ci%cp%ts%rt
    unique-id-header X-Request-ID
{servers}
listen bulk
    mode tcp
    bind {self.tcp} backlog 4096
    balance roundrobin
{servers}
"""

    def command(self):
        return ["/usr/sbin/haproxy", "-db", "-f", self.file]


class Nginx(Proxy):
    name = "nginx"
    config_name = "nginx.conf"

    @staticmethod
    def version():
        return "nginx " + version_of(["/usr/sbin/nginx", "-v"], "nginx/").split("/")[1]

    def config(self):
        servers = "\n".join(f"        server {address};" for address in self.backends)
        return f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 19000;
pid {self.folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 18000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout {NEVER};
    keepalive_requests 1000000000;
    reset_timedout_connection on;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    upstream web {{
{servers}
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout {NEVER};
    }}
    server {{
        listen {self.http} backlog=4096;
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_buffer_size 32k;
            proxy_buffers 4 256k;
            proxy_busy_buffers_size 512k;
            proxy_max_temp_file_size 0;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID $request_id;
        }}
    }}
}}
stream {{
    upstream bulk {{
{servers}
    }}
    server {{
        listen {self.tcp} backlog=4096;
        proxy_pass bulk;
        proxy_buffer_size 256k;
        proxy_timeout {NEVER};
    }}
}}
"""

    def command(self):
        return ["/usr/sbin/nginx", "-p", self.folder, "-e", "stderr", "-c", self.file]


class Nines(Proxy):
    name = "nines"
    config_name = "nines.yaml"
    binary = TOP / "build/nines"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.binary, "version"], capture_output=True, text=True, check=True)
        commit = subprocess.run(
            ["git", "-C", TOP, "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{done.stdout.strip()} ({commit.stdout.strip() or 'no commit'})"

    def config(self):
        addresses = ", ".join(f'"{address}"' for address in self.backends)
        host = self.http.split(":")[0]
        pool = f"""
    backends: [{addresses}]
    max_idle_connections: 512
    timeout: {{response: 1h, idle: 1h}}
    health_check: {{path: /128, interval: 2s}}"""
        return f"""
directory: {self.folder}/state
runtime_directory: {self.folder}/run
workers: 1
admin: {{listen: "{host}:7900"}}
services:
  web: {{listen: "{self.http}", pool: web, access_log: false, timeout: {{idle: 1h}}}}
  bulk: {{listen: "{self.tcp}", protocol: tcp, pool: bulk, access_log: false, timeout: {{idle: 1h}}}}
pools:
  web:{pool}
  bulk:{pool}
"""

    def command(self):
        return [self.binary, "run", "-c", self.file]


ALL = [Haproxy, Nginx, Nines]
