import { setting } from "./setting.ts";
import { artifactsPlace, optionalPath, optionalText, secret, url } from "./setting-types.ts";

const commands = ["run", "look"] as const;

/** Where model artifacts stand for all machines that score and train. */
export const artifactsSettings = Object.freeze({
  artifacts: setting(artifactsPlace, {
    default: null,
    doc: "Where machines share model artifacts: clickhouse (the default on servers), s3://bucket/prefix or a directory that all of them mount. The embedded stack keeps them in its data directory.",
    commands,
  }),
  artifactsEndpoint: setting(url("http", "https"), {
    default: null,
    doc: "Artifacts in S3: base of a store that is not AWS's own.",
    commands,
  }),
  artifactsRegion: setting(optionalText, {
    default: "us-east-1",
    doc: "Artifacts in S3: region of the bucket.",
    commands,
  }),
  artifactsUser: setting(optionalText, {
    default: null,
    doc: "Artifacts in S3: access key id.",
    commands,
  }),
  artifactsPassword: setting(secret, {
    default: null,
    secret: true,
    doc: "Artifacts in S3: secret access key.",
    commands,
  }),
  artifactsPasswordFile: setting(optionalPath, {
    default: null,
    doc: "Artifacts in S3: file that holds the secret access key alone.",
    commands,
  }),
});
