// URLs as they may be shown: whoever reads a terminal, a log or a process list learns where, never with which key.
//
// Promises: of a URL only scheme, host and port are shown, and "…" for the rest, since a path, a query and a user hold keys
// (https://host/v3/KEY, ?apikey=KEY, user:password@). Works on text that is no valid URL as well. Never throws.

/** What is no longer than this is no secret that could be searched for: it would be found in ordinary words. */
const SECRET_CHARACTERS_MIN = 6;
const MARK = "…";

/** `https://host:8545/…` of a URL; a path, a query or a user shows as the mark alone. */
export function publicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0].toLowerCase() ?? "";
  // Of something that is none, the host may be anything: a password with an "@" or a "/" in it, say.
  if (url === undefined || url.host === "") return `${scheme}${MARK}`;
  const more = url.pathname.length > 1 || url.search !== "" || url.hash !== "";
  return `${url.protocol}//${url.host}${more ? `/${MARK}` : ""}`;
}

/** Every URL in a text as it may be shown. */
export function withoutSecrets(text: string): string {
  return text.replace(/[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>]+/gi, (found) => {
    const tail = /[),.;:]*$/.exec(found)?.[0] ?? "";
    return publicUrl(found.slice(0, found.length - tail.length)) + tail;
  });
}

/** The same, and without the secrets of `url` where they stand by themselves: a server may repeat a key in what it answers. */
export function withoutSecretsOf(url: string, text: string): string {
  let clean = withoutSecrets(text);
  for (const secret of secretsOf(url)) clean = clean.replaceAll(secret, MARK);
  return clean;
}

function secretsOf(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const url = new URL(text);
  const { username, password } = url;
  const parts = [username, password, ...url.pathname.split("/"), ...url.search.split(/[?&=]/), url.hash.slice(1)];
  const header = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64"); // RFC 7617
  // As the URL has them, as the person wrote them, and as a library may write them anew.
  const forms = [...parts, header].flatMap((part) => [part, decoded(part), encodeURIComponent(decoded(part))]);
  const all = forms.filter((part) => part.length >= SECRET_CHARACTERS_MIN);
  return [...new Set(all)].sort((a, b) => b.length - a.length);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that begins no code
  }
}
