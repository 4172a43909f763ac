// A drop zone: sends files one after the other to PUT own/{ticket}/{name}, then tells the page that all have come.

// data: {ticket, limit in bytes of all files, how many files or null, advice, accept: suffixes, hint}
export default function ({ data, parentElement, setTriggerValue }) {
  const [zone, input, bar, status, hint] = [".zone", "input", ".bar", ".said", ".small"].map((name) =>
    parentElement.querySelector(name),
  );
  input.accept = data.accept.join(",");
  hint.textContent = data.hint;
  const show = (text, isError = false) => {
    status.textContent = text;
    status.classList.toggle("wrong", isError);
  };
  const showProgress = (share) => {
    bar.firstChild.style.width = `${100 * share}%`;
  };
  const sendAll = async (files) => {
    const total = sumSizes(files);
    let sent = 0;
    for (const [i, file] of files.entries()) {
      show(files.length > 1 ? `Sending ${i + 1} of ${files.length}: ${file.name}` : `Sending ${file.name}`);
      const before = sent;
      await sendFile(file, data.ticket, (loaded) => showProgress((before + loaded) / total));
      sent += file.size;
    }
    show("Reading ...");
    setTriggerValue("done", { ticket: data.ticket });
  };
  const takeFiles = async (list) => {
    const files = [...list];
    if (!files.length) return;
    const problem = findProblem(files, data);
    if (problem) return show(problem, true);
    bar.hidden = false;
    input.disabled = true;
    try {
      await sendAll(files);
    } catch (reason) {
      show(reason, true);
    }
    bar.hidden = true;
    input.disabled = false;
    input.value = "";
  };
  if (zone.dataset.ticket !== data.ticket) show(""); // another set is to be filled
  zone.dataset.ticket = data.ticket;
  input.onchange = () => takeFiles(input.files);
  zone.ondragover = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    takeFiles(event.dataTransfer.files);
  };
}

function sumSizes(files) {
  return files.reduce((sum, file) => sum + file.size, 0);
}

// Why files cannot be sent, as a sentence; null where they can.
function findProblem(files, { limit, files: count, advice }) {
  const total = sumSizes(files);
  if (total > limit) {
    const size = (bytes) => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;
    return `${files[0].name} has ${size(total)}; the limit is ${size(limit)}. ${advice}`;
  }
  if (count !== null && files.length > count) {
    return `A data set has at most ${count.toLocaleString("en")} files. Pack them in one .zip.`;
  }
  const empty = files.find((file) => !file.size);
  return empty ? `${empty.name} is empty. Choose another file.` : null;
}

// A promise that is rejected with a sentence; onProgress(bytes) is called meanwhile.
function sendFile(file, ticket, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const path = `own/${ticket}/${encodeURIComponent(file.name)}`;
    request.open("PUT", new URL(path, location.href.split("?")[0]));
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status === 200) resolve();
      else reject(readError(request.response) || `The server answered ${request.status}.`);
    };
    request.onerror = () => reject("The connection broke off. Try again.");
    request.send(file);
  });
}

// The error of a JSON answer; none where a proxy answered with a page.
function readError(response) {
  try {
    return JSON.parse(response).error;
  } catch {
    return undefined;
  }
}
