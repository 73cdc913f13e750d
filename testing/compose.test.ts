/** docker-compose.yml and deploy/ say what the local stack and the product say. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { type SettingName, variableName } from "../runtime/config/settings.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { apicurioSettings, apicurioVersion, registryUrl } from "../stacks/local/apicurio.ts";
import { defaultPorts } from "../stacks/local/default-ports.ts";
import { kafkaVersion, singleNodeProperties } from "../stacks/local/kafka.ts";
import { durableRedis } from "../stacks/local/redis.ts";
import { localServerNames } from "../stacks/local/server-state.ts";

interface Service {
  readonly image: string;
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly healthcheck: Readonly<Record<string, unknown>> & { readonly test: readonly string[] };
  readonly deploy: { readonly resources: { readonly limits: Readonly<Record<string, string>> } };
}

const root = packageRoot();
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const yaml = (...path: string[]) => parse(read(...path), { merge: true }) as unknown;

const compose = yaml("docker-compose.yml") as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const { services } = compose;
/** Port inside the container. */
const inside = { kafka: 9092, registry: 8080, redis: 6379, clickhouse: 8123 } as const;

function service(name: string): Service {
  const found = services[name];
  assert.ok(found, `${name} is missing`);
  return found;
}

test("compose offers the four servers of the local stack, Prometheus and Grafana", () => {
  assert.deepEqual(
    Object.keys(services).sort(),
    [...localServerNames, "prometheus", "grafana"].sort(),
  );
});

test("images are pinned to a release and its digest, those of the local stack to the same one", () => {
  for (const { image } of Object.values(services))
    assert.match(image, /^[a-z/-]+:v?\d+(\.\d+){2,3}(-alpine)?@sha256:[0-9a-f]{64}$/);
  const releaseOf = (name: string) => service(name).image.split("@")[0];
  assert.equal(releaseOf("kafka"), `apache/kafka:${kafkaVersion}`);
  assert.equal(releaseOf("registry"), `apicurio/apicurio-registry:${apicurioVersion}`);
  assert.match(service("redis").image, /^redis:7\./);
  assert.match(service("clickhouse").image, /^clickhouse\/clickhouse-server:26\./);
});

test("ports are published on loopback alone, by the variables that millrace reads", () => {
  for (const name of localServerNames) {
    const variable = variableName(`${name}Port` satisfies SettingName);
    const wanted = `127.0.0.1:\${${variable}:-${defaultPorts[name]}}:${inside[name]}`;
    assert.deepEqual(service(name).ports, [wanted]);
    assert.equal(service(name).network_mode, undefined);
  }
  for (const name of ["prometheus", "grafana"]) {
    assert.deepEqual([service(name).network_mode, service(name).ports], ["host", undefined]);
  }
  const listens = service("prometheus").command?.find((each) => each.includes("listen-address"));
  assert.match(listens ?? "", /=127\.0\.0\.1:/);
  assert.equal(service("grafana").environment?.["GF_SERVER_HTTP_ADDR"], "127.0.0.1");
});

test("Kafka, Apicurio and Redis are set as on the local stack", () => {
  const kafka = service("kafka").environment ?? {};
  for (const [name, value] of Object.entries(singleNodeProperties)) {
    const variable = `KAFKA_${name.replaceAll(".", "_").toUpperCase()}`;
    assert.equal(kafka[variable], value, variable);
  }
  const advertised = `127.0.0.1:\${MILLRACE_KAFKA_PORT:-${defaultPorts.kafka}}`;
  assert.ok(kafka["KAFKA_ADVERTISED_LISTENERS"]?.startsWith(`PLAINTEXT://${advertised},`));
  const registry = service("registry").environment ?? {};
  for (const [name, value] of Object.entries(apicurioSettings("/var/lib/apicurio/registry"))) {
    assert.equal(registry[name.replaceAll(".", "_").toUpperCase()], value, name);
  }
  assert.deepEqual(service("redis").command?.slice(-durableRedis.length), [...durableRedis]);
});

test("every service has a health check that asks what the local stack asks, and limits", () => {
  for (const [name, { healthcheck, deploy }] of Object.entries(services)) {
    for (const field of ["interval", "timeout", "start_period"]) {
      assert.match(String(healthcheck[field]), /^\d+s$/, `${name}: ${field}`);
    }
    assert.ok(Number(healthcheck["retries"]) >= 3, name);
    assert.ok(Number(deploy.resources.limits["cpus"]) > 0, name);
    assert.match(deploy.resources.limits["memory"] ?? "", /^\d+[mg]$/, name);
  }
  const asks = (name: string) => service(name).healthcheck.test.join(" ");
  assert.match(
    asks("kafka"),
    /kafka-broker-api-versions\.sh --bootstrap-server 127\.0\.0\.1:9094$/,
  );
  const { pathname } = new URL(registryUrl(inside.registry));
  assert.ok(asks("registry").endsWith(`127.0.0.1:${inside.registry}${pathname}/subjects`));
  assert.match(asks("redis"), /PING.*PONG/);
  assert.ok(asks("clickhouse").endsWith(`127.0.0.1:${inside.clickhouse}/ping`));
});

test("data lie in named volumes, and what is mounted from here is here and read only", () => {
  const used = new Set<string>();
  for (const [name, { volumes }] of Object.entries(services)) {
    const named = volumes.filter((volume) => !volume.startsWith("."));
    assert.equal(named.length, 1, name);
    used.add(named[0]?.split(":")[0] ?? "");
    for (const mount of volumes.filter((volume) => volume.startsWith("."))) {
      const [from = "", , mode] = mount.split(":");
      assert.equal(mode, "ro", mount);
      assert.ok(readdirSync(join(root, from)).length > 0, mount);
    }
  }
  assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
});

test("nobody logs in to Grafana, and its provisioning names what is there", () => {
  const { environment = {}, volumes } = service("grafana");
  assert.equal(environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"], "true");
  assert.equal(environment["GF_AUTH_ANONYMOUS_ORG_ROLE"], "Viewer");
  for (const name of Object.keys(environment)) assert.doesNotMatch(name, /PASSWORD/);
  const { datasources } = yaml("deploy/grafana/provisioning/datasources/prometheus.yml") as {
    datasources: { uid: string; url: string }[];
  };
  assert.equal(datasources[0]?.url, "http://127.0.0.1:$PROMETHEUS_PORT");
  const board = read("deploy/grafana/dashboards/millrace.json");
  const uids = [...board.matchAll(/"uid": "([^"]+)"/g)].map((match) => match[1]);
  assert.deepEqual(new Set(uids), new Set(["millrace", datasources[0]?.uid]));
  const { providers } = yaml("deploy/grafana/provisioning/dashboards/millrace.yml") as {
    providers: { options: { path: string } }[];
  };
  const mounted = `./deploy/grafana/dashboards:${providers[0]?.options.path}:ro`;
  assert.ok(volumes.includes(mounted), mounted);
});

test("Prometheus scrapes the port that the documents name, on loopback, and its rules are there", () => {
  const config = yaml("deploy/prometheus/prometheus.yml") as {
    rule_files: string[];
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = config.scrape_configs.flatMap(({ static_configs }) =>
    static_configs.flatMap((each) => each.targets),
  );
  // The run, and the gateway where there is one.
  assert.deepEqual(targets, ["127.0.0.1:9464", "127.0.0.1:8080"]);
  assert.match(read("docs/serving.md"), /--listen 8080/);
  const named = /npm start -- --stack compose --metrics 9464/;
  for (const page of ["README.md", "docs/operations.md", "docker-compose.yml"]) {
    assert.match(read(page), named, page);
  }
  for (const file of config.rule_files) assert.ok(read("deploy/prometheus", file).length > 0);
});
