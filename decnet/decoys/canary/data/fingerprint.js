// What this browser shows of itself, gathered once and posted in pieces to where the page came from.
// Each question is asked on its own: one that fails or takes too long leaves its answer out.
(async () => {
  "use strict";
  const script = document.currentScript;
  const to = script.dataset.to;
  const next = script.dataset.next;
  const stun = `stun:${location.hostname}:${script.dataset.stun}`;
  const PIECE_CHARS = 16000;
  const PATIENCE_MS = 1200;
  const FONTS = [
    "Andale Mono", "Arial", "Arimo", "Calibri", "Cambria", "Comic Sans MS", "Consolas", "Courier New", "Cousine",
    "DejaVu Sans", "Droid Sans", "Fira Sans", "Georgia", "Helvetica Neue", "Impact", "Liberation Sans", "Lucida Console",
    "Menlo", "Monaco", "Noto Sans", "Noto Serif", "Noto Color Emoji", "Open Sans", "PingFang SC", "Roboto", "STIX Two Math",
    "Segoe UI", "Tahoma", "Times New Roman", "Tinos", "Trebuchet MS", "Twemoji Mozilla", "Ubuntu", "Verdana",
  ];
  const LEFT_BEHIND = /webdriver|selenium|playwright|puppeteer|phantom|nightmare|domAutomation|__pw|cdc_|fxdriver|chrome_asyncScript|__driver_/i;

  const within = (answer) =>
    Promise.race([answer, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);

  const asked = async (question) => {
    try {
      return await within(question());
    } catch {
      return undefined;
    }
  };

  const drawing = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 220;
    canvas.height = 30;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = "#f60";
    pen.fillRect(0, 0, 20, 30);
    pen.font = "15px Arial";
    pen.fillStyle = "#069";
    pen.fillText("Cwm fjord veg balks nth pyx quiz \u{1F603}", 22, 19);
    const [red, green, blue] = pen.getImageData(10, 15, 1, 1).data;
    return { url: canvas.toDataURL(), isAsDrawn: red === 255 && green === 102 && blue === 0 };
  };

  const canvas = () => {
    const [one, other] = [drawing(), drawing()];
    return { drawn: one.url, blocked: !one.isAsDrawn || one.url !== other.url };
  };

  const webgl = () => {
    const pen = document.createElement("canvas").getContext("webgl");
    const names = pen.getExtension("WEBGL_debug_renderer_info");
    const limits = [
      pen.MAX_TEXTURE_SIZE, pen.MAX_VIEWPORT_DIMS, pen.MAX_VERTEX_ATTRIBS, pen.MAX_VARYING_VECTORS,
      pen.MAX_FRAGMENT_UNIFORM_VECTORS, pen.ALIASED_LINE_WIDTH_RANGE, pen.SHADING_LANGUAGE_VERSION, pen.VERSION,
    ].map((limit) => String(pen.getParameter(limit)));
    return {
      vendor: pen.getParameter(names ? names.UNMASKED_VENDOR_WEBGL : pen.VENDOR),
      renderer: pen.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : pen.RENDERER),
      limits: limits.concat(pen.getSupportedExtensions()),
    };
  };

  const audio = async () => {
    const context = new OfflineAudioContext(1, 5000, 44100);
    const tone = context.createOscillator();
    const squeeze = context.createDynamicsCompressor();
    tone.type = "triangle";
    tone.frequency.value = 10000;
    tone.connect(squeeze);
    squeeze.connect(context.destination);
    tone.start();
    const heard = await context.startRendering();
    return heard.getChannelData(0).slice(4500).reduce((sum, sample) => sum + Math.abs(sample), 0);
  };

  const fonts = () => {
    const pen = document.createElement("canvas").getContext("2d");
    const width = (family) => {
      pen.font = "72px " + family;
      return pen.measureText("mmmmmmmmmmlli").width;
    };
    const plain = ["monospace", "serif", "sans-serif"].map((family) => [family, width(family)]);
    return FONTS.filter((font) => plain.some(([family, wide]) => width(`"${font}", ${family}`) !== wide));
  };

  const webrtc = () =>
    new Promise((resolve) => {
      const found = new Set();
      const link = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
      const done = () => {
        link.close();
        resolve([...found]);
      };
      link.createDataChannel("");
      link.onicecandidate = ({ candidate }) => {
        if (!candidate) return done();
        if (candidate.address) found.add(candidate.address);
      };
      link.createOffer().then((offer) => link.setLocalDescription(offer));
      setTimeout(done, PATIENCE_MS - 200);
    });

  const timerStepMs = () => {
    let least = Infinity;
    for (let look = 0; look < 20; look += 1) {
      const start = performance.now();
      let now = start;
      while (now === start) now = performance.now();
      least = Math.min(least, now - start);
    }
    return least;
  };

  const permissions = async () => {
    const names = ["notifications", "geolocation", "camera", "microphone"];
    const states = await Promise.all(names.map((name) => asked(() => navigator.permissions.query({ name }))));
    return names.flatMap((name, place) => (states[place] ? [`${name}=${states[place].state}`] : []));
  };

  const own = { drawing: await asked(canvas), webgl: await asked(webgl) };
  const found = {
    userAgent: navigator.userAgent,
    platform: navigator.platform,
    languages: [...(navigator.languages || [navigator.language])],
    webdriver: navigator.webdriver,
    cores: navigator.hardwareConcurrency,
    memoryGb: navigator.deviceMemory,
    touchPoints: navigator.maxTouchPoints,
    screenWidth: screen.width,
    screenHeight: screen.height,
    windowWidth: innerWidth,
    windowHeight: innerHeight,
    pixelRatio: devicePixelRatio,
    timeZone: await asked(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    zoneOffsetMinutes: -new Date().getTimezoneOffset(),
    canvas: own.drawing?.drawn,
    canvasBlocked: own.drawing ? own.drawing.blocked : undefined,
    webglVendor: own.webgl?.vendor,
    webglRenderer: own.webgl?.renderer,
    webgl: own.webgl?.limits,
    audio: await asked(audio),
    fonts: await asked(fonts),
    webrtc: await asked(webrtc),
    timerStepMs: await asked(timerStepMs),
    permissions: await asked(permissions),
    globals: [...Object.getOwnPropertyNames(window), ...Object.getOwnPropertyNames(document)].filter((name) =>
      LEFT_BEHIND.test(name),
    ),
  };

  const text = JSON.stringify(found);
  const total = Math.ceil(text.length / PIECE_CHARS);
  const posts = [];
  for (let number = 0; number < total; number += 1) {
    const body = text.slice(number * PIECE_CHARS, (number + 1) * PIECE_CHARS);
    posts.push(fetch(`${to}/${number}/${total}`, { method: "POST", body }));
  }
  await asked(() => Promise.allSettled(posts));
  if (next) location.replace(next);
})();
