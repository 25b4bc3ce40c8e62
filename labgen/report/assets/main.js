const head = await block("head"); document.getElementById("main").textContent = head.title;
