// Requests to the Hugging Face Hub with a visitor's token. The token is in the header of requests to the Hub's own address,
// and nowhere else. What goes wrong is an Error whose message is a sentence.

const JSON_TYPE = "application/json";
const LFS_TYPE = "application/vnd.git-lfs+json";
const MAX_QUOTE = 200; // letters of what the Hub says

export class HubClient {
  // hub: {address, storage}: origins of the Hub and of its storage, without a slash at the end.
  constructor({ address, storage }, token) {
    Object.assign(this, { address, storage, token });
  }

  // The name of the account; an Error where the token is none that may write.
  async findUser() {
    const { name, auth } = await this.ask("GET", "/api/whoami-v2");
    if (auth?.accessToken?.role === "read")
      throw new Error("This token may read only. Make one with write access on the Hub's page of access tokens.");
    return name;
  }

  // A model repository {sha, private, library_name, siblings}; null where there is none.
  findRepository(repo) {
    return this.ask("GET", `/api/models/${repo}`, { repo, allowed: 404 });
  }

  // One that is there already is fine.
  async createRepository(repo, isPrivate) {
    const [organization, name] = repo.split("/"),
      body = { name, organization, type: "model", visibility: isPrivate ? "private" : "public" };
    await this.ask("POST", "/api/repos/create", { body, repo, allowed: 409 });
  }

  // How each file {path, sample, size} is to be stored: {path: "regular" or "lfs"}.
  async askUploadModes(repo, files) {
    const answer = await this.ask("POST", `/api/models/${repo}/preupload/main`, { body: { files }, repo });
    return Object.fromEntries(answer.files.map(({ path, uploadMode }) => [path, uploadMode]));
  }

  // Put a file {path, content, oid}, with its SHA-256, into the storage, where it is not there yet.
  async storeLarge(repo, { path, content, oid }) {
    const size = content.length,
      body = { operation: "upload", transfers: ["basic"], hash_algo: "sha256", ref: { name: "main" }, objects: [{ oid, size }] };
    const answer = await this.ask("POST", `/${repo}.git/info/lfs/objects/batch`, { body, repo, type: LFS_TYPE }),
      { actions, error } = answer.objects[0];
    if (error) throw new Error(`The Hub does not take ${path}: ${quote(error.message)}`);
    if (!actions?.upload) return;
    if (actions.upload.header?.chunk_size)
      throw new Error(`${path} has ${(size / 1e6).toFixed(0)} MB, which is too large to push from a page.`);
    await this.put(actions.upload.href, path, content);
    if (actions.verify) await this.send("POST", this.readPath(actions.verify.href), { body: { oid, size }, repo });
  }

  // The address is signed: a token would make it invalid, and is none of the storage's business.
  async put(href, path, content) {
    const { origin } = new URL(href);
    if (origin !== this.address && !this.storage.includes(origin))
      throw new Error(`The Hub wants ${path} to be stored at ${origin}, which this page may not reach.`);
    const response = await reach(href, { method: "PUT", body: content });
    if (!response.ok) throw new Error(`The Hub's storage refused ${path} (${response.status}).`);
  }

  readPath(href) {
    const { origin, pathname, search } = new URL(href);
    if (origin !== this.address) throw new Error(`The Hub sends this page on to ${origin}, which gets no token.`);
    return pathname + search;
  }

  // lines: objects; the first is the header of the commit.
  commit(repo, lines) {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    return this.ask("POST", `/api/models/${repo}/commit/main`, { text, repo, type: "application/x-ndjson" });
  }

  // The JSON of an answer; null where its status is the one that is `allowed`.
  async ask(method, path, request) {
    const response = await this.send(method, path, request);
    if (!response.ok) return null;
    try {
      return await response.json();
    } catch {
      throw new Error("What answered is not the Hub. Is there a proxy in between?");
    }
  }

  async send(method, path, { body, text = body && JSON.stringify(body), type = JSON_TYPE, repo = "", allowed = 0 } = {}) {
    const headers = { Authorization: `Bearer ${this.token}`, Accept: type === LFS_TYPE ? type : JSON_TYPE };
    if (text) headers["Content-Type"] = type;
    const response = await reach(this.address + path, { method, headers, body: text });
    if (response.ok || response.status === allowed) return response;
    throw new Error(explainRefusal(response.status, repo, await readError(response)));
  }
}

async function reach(address, options) {
  try {
    return await fetch(address, { ...options, credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" });
  } catch {
    const { host } = new URL(address);
    throw new Error(`${host} cannot be reached from this page: there is no network, or the browser does not allow it.`);
  }
}

async function readError(response) {
  try {
    const { error, message } = await response.json();
    return quote(error ?? message ?? "");
  } catch {
    return "";
  }
}

function quote(text) {
  return String(text).replace(/\s+/g, " ").trim().slice(0, MAX_QUOTE);
}

function explainRefusal(status, repo, text) {
  const known = {
    401: "The Hub does not know this token. Copy all of it, or make a new one with write access.",
    403: `This token may not write to ${repo}. Choose another name, or a token with write access to it.`,
    412: `${repo} was changed meanwhile. Push again.`,
    429: "The Hub asks for a pause: too many requests. Push again later.",
  };
  if (status >= 500) return `The Hub has an error of its own (${status}). Push again later.`;
  return known[status] ?? `The Hub refused (${status})${text && `: ${text}`}`;
}
