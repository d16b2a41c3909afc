// Browsers start no worker from the disk. There the search's runs in a frame of the page that nobody sees.
// (The theme would fetch such a script from the network. It asks for one by this name.)
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      // A frame's messages go to its parent; its scripts are fetched in the order that they are asked for.
      this.frame.srcdoc = `<script>
        window.postMessage = (message) => parent.postMessage(message, "*");
        window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() =>
          new Promise((loaded, failed) => {
            const script = document.createElement("script");
            Object.assign(script, { src: url, onload: loaded, onerror: failed });
            document.body.append(script);
          })), Promise.resolve());
        window.addEventListener("message", (event) => {
          if (event.source !== parent) event.stopImmediatePropagation();
        });
      </script><script src="${new URL(url, location)}"></script>`;
      this.ready = new Promise((loaded) => this.frame.addEventListener("load", loaded));
      window.addEventListener("message", (event) => {
        if (event.source === this.frame.contentWindow) {
          this.dispatchEvent(new MessageEvent("message", { data: event.data }));
        }
      });
      document.body.append(this.frame);
    }
    postMessage(message) {
      this.ready.then(() => send(this.frame.contentWindow, message));
    }
    terminate() {
      this.frame.remove();
    }
  };
  // The frame's own postMessage is what its worker calls: messages to it are events.
  const send = (target, message) =>
    target.dispatchEvent(
      new target.MessageEvent("message", { data: message, source: window }),
    );
}
