// A run as a model repository of the Hub: created where it is missing, then one commit. Small texts go with the commit,
// weights to the Hub's storage before it, as huggingface_hub does it without Xet.

const LIBRARY = "aecore";
const PUBLISHED = ["config.json", "model.safetensors", "metrics.jsonl", "README.md"];
const PREVIEW = /^previews\/\d+\.safetensors$/; // that a run of before left: they are not this model's
const SAMPLE = 512; // bytes of a file by which the Hub decides how it is stored
const NAME = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/;
const CHUNK = 0x8000; // bytes that become text at once

// "name" or "user/name" -> "user/name"; an Error for what is none.
export function completeRepoName(text, user) {
  const repo = text.includes("/") ? text : `${user}/${text}`;
  if (!NAME.test(repo) || /--|\.\.|[.-]$|\.git$/.test(repo))
    throw new Error(`"${text}" is no name of a repository. Give name or user/name, of letters, digits, - _ and .`);
  return repo;
}

// Make the repository, or take one that holds nothing else; an Error where it is not to be replaced. A function that
// commits the files of a run, {name: Uint8Array}.
export async function openRepository(client, repo, isPrivate) {
  const before = await client.findRepository(repo);
  if (before) checkReplaceable(repo, before, isPrivate);
  else await client.createRepository(repo, isPrivate);
  return (files) => commitRun(client, repo, files, before);
}

function checkReplaceable(repo, { library_name: library, private: wasPrivate, siblings = [] }, isPrivate) {
  const isOther = library ? library !== LIBRARY : siblings.some(({ rfilename }) => PUBLISHED.slice(0, 2).includes(rfilename));
  if (isOther) throw new Error(`${repo} holds another model already. Choose another name.`);
  if (isPrivate && wasPrivate === false)
    throw new Error(`${repo} is public already. Choose another name, or make it private on the Hub first.`);
}

async function commitRun(client, repo, files, before) {
  const published = PUBLISHED.map((path) => ({ path, content: files[path] })),
    modes = await client.askUploadModes(repo, published.map(describeFile)),
    stale = (before?.siblings ?? []).map(({ rfilename }) => rfilename).filter((path) => PREVIEW.test(path));
  const header = { summary: "Push from a web page of Autoencoder Lab", description: "" },
    lines = [{ key: "header", value: before ? { ...header, parentCommit: before.sha } : header }];
  lines.push(...stale.map((path) => ({ key: "deletedFile", value: { path } })));
  for (const file of published)
    lines.push(await (modes[file.path] === "lfs" && file.content.length ? storeFile(client, repo, file) : writeFile(file)));
  await client.commit(repo, lines);
}

function describeFile({ path, content }) {
  return { path, sample: encode64(content.subarray(0, SAMPLE)), size: content.length };
}

function writeFile({ path, content }) {
  return { key: "file", value: { path, content: encode64(content), encoding: "base64" } };
}

async function storeFile(client, repo, { path, content }) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content)),
    oid = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await client.storeLarge(repo, { path, content, oid });
  return { key: "lfsFile", value: { path, algo: "sha256", oid, size: content.length } };
}

function encode64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(text);
}
