import type { RouteRequest, VersionShare } from "../serving/model-desk.ts";

type Flags = Readonly<Record<string, unknown>>;

/** Gathers an option that may be given several times. */
export function gathered(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** Whether `models route NAME` is asked to change anything: by itself it tells the routes. */
export function changesRoutes(flags: Flags): boolean {
  const given = (flags["challenger"] ?? []) as readonly string[];
  const others = ["shadow", "champion", "segment", "why", "effectiveFrom"];
  return given.length > 0 || flags["end"] === true || others.some((name) => name in flags);
}

/** What the flags of `models route` ask for; what is wrong with them is added to the problems. */
export function askedRoutes(
  flags: Flags,
  problems: string[],
): Pick<RouteRequest, "champion" | "challengers" | "shadow" | "segment"> {
  const given = (flags["challenger"] ?? []) as readonly string[];
  const challengers = given.flatMap((text) => shareOf("--challenger", text, problems));
  const shadows = flags["shadow"] === undefined ? [] : [String(flags["shadow"])];
  const [shadow = null] = shadows.flatMap((text) => shareOf("--shadow", text, problems));
  const champion = flags["champion"] === undefined ? null : String(flags["champion"]);
  const segment = flags["segment"] === undefined ? null : String(flags["segment"]);
  const names = challengers.map(({ version }) => version);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) problems.push(`--challenger: ${twice} is there twice`);
  const sum = challengers.reduce((all, { share }) => all + share, 0);
  if (sum > 1 + 1e-9) {
    problems.push(`--challenger: the shares are ${(sum * 100).toFixed(1)}% together; 100% at most`);
  }
  const asks = given.length + shadows.length > 0;
  const ends = flags["end"] === true;
  if (ends && asks) problems.push("--end: leave it out, or the challengers and the shadow");
  if (!ends && !asks && champion === null) {
    problems.push("models route: give --challenger, --shadow, --champion or --end");
  }
  if (segment !== null && (shadows.length > 0 || champion !== null)) {
    problems.push("--segment: its records have challengers of their own, and nothing else");
  }
  return { champion, challengers, shadow, segment };
}

/** `r2=5%` or `r2=0.05`; who is to have none is left out. */
function shareOf(option: string, text: string, problems: string[]): VersionShare[] {
  const [, version = "", number = "", percent = ""] =
    /^([^=\s]+)=(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const share = Number(number) / (percent === "" ? 1 : 100);
  if (version === "" || !(share > 0 && share <= 1)) {
    const shape = "write a version and its share, above 0 and at most 100%, like r2=5%";
    problems.push(`${option}: ${JSON.stringify(text)}: ${shape}`);
    return [];
  }
  return [{ version, share }];
}
