// One tab, with storage of its own: what it shows, asks and complains about.

import Foundation
import Testing

/// A tab in a browser context of its own, thus with an empty `sessionStorage`. Used on one thread.
final class Page {
    /// How a tab looks at the page.
    struct Look: Sendable, CustomStringConvertible {
        var width = 1280
        var height = 800
        var isDark = false
        /// The visitor has asked for less motion.
        var isStill = false

        var description: String { "\(width) px, \(isDark ? "dark" : "light")" }
    }

    /// Console messages of level warning and above, uncaught exceptions, violations of the security policy.
    private(set) var complaints: [String] = []
    /// Every request's address, WebSockets included.
    private(set) var requested: [String] = []
    /// Every request's headers as they went out, names in lower case.
    private(set) var requestHeaders: [[String: String]] = []
    /// Every text that came over a WebSocket.
    private(set) var frames: [String] = []
    /// Every text that went out over one.
    private(set) var sent: [String] = []
    let browser: Browser
    let context: String
    private let target: String
    private let session: String

    /// - Parameter other: shares its storage with this one; without it the tab has its own.
    init(_ browser: Browser, _ look: Look = Look(), besides other: Page? = nil) throws {
        self.browser = browser
        context =
            try other?.context
            ?? #require(try browser.call("Target.createBrowserContext")["browserContextId"] as? String)
        // Its own window: a tab behind another draws no frames.
        target = try #require(
            try browser.call(
                "Target.createTarget", ["url": "about:blank", "browserContextId": context, "newWindow": true]
            )["targetId"] as? String)
        session = try #require(
            try browser.call("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"] as? String)
        browser.onEvent[session] = { [weak self] in self?.heard($0, $1) }
        for domain in ["Page", "Runtime", "Log", "Network"] { try call("\(domain).enable") }
        try call(
            "Emulation.setDeviceMetricsOverride",
            [
                "width": look.width, "height": look.height, "deviceScaleFactor": look.width < 700 ? 2 : 1,
                "mobile": look.width < 700,
            ])
        try call(
            "Emulation.setEmulatedMedia",
            [
                "features": [
                    ["name": "prefers-color-scheme", "value": look.isDark ? "dark" : "light"],
                    ["name": "prefers-reduced-motion", "value": look.isStill ? "reduce" : "no-preference"],
                ]
            ])
        try call("Emulation.setFocusEmulationEnabled", ["enabled": true])
        let watch = """
            addEventListener("securitypolicyviolation", (event) =>
              console.error(`policy: ${event.effectiveDirective} ${event.blockedURI}`));
            """
        try call("Page.addScriptToEvaluateOnNewDocument", ["source": watch])
    }

    /// Closes the tab and forgets its storage.
    func close() {
        browser.onEvent[session] = nil
        _ = try? browser.call("Target.disposeBrowserContext", ["browserContextId": context])
    }

    @discardableResult
    func call(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
        try browser.call(method, parameters, session: session)
    }

    /// Goes to an address; what the page then does is to be waited for.
    func open(_ address: String) throws {
        let result = try call("Page.navigate", ["url": address])
        if let error = result["errorText"] { throw DevToolsError(description: "\(address): \(error)") }
    }

    /// What a JavaScript expression, or the promise it gives, comes to.
    func value<Value: Decodable>(_ expression: String, as type: Value.Type = Value.self) throws -> Value {
        let answer = try call(
            "Runtime.evaluate",
            [
                "expression": "(async () => JSON.stringify(await (\(expression))))()", "awaitPromise": true,
                "returnByValue": true,
            ])
        if let thrown = answer["exceptionDetails"] { throw DevToolsError(description: "\(expression): \(thrown)") }
        guard let json = (answer["result"] as? [String: Any])?["value"] as? String else {
            throw DevToolsError(description: "\(expression) is undefined")
        }
        return try decodeJSON(type, json)
    }

    /// Runs JavaScript statements in the page.
    func run(_ statements: String) throws {
        _ = try value("(() => { \(statements); return true; })()", as: Bool.self)
    }

    /// Waits until a JavaScript condition holds, across navigations.
    func wait(_ what: String, _ condition: String) throws {
        try waitUntil(what) { (try? value("!!(\(condition))", as: Bool.self)) == true }
    }

    /// Waits until a condition of the test's own holds.
    func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
        let state = {
            (try? self.value("document.body.innerText", as: String.self)).map { "; the page says: \($0)" } ?? ""
        }
        let deadline = ContinuousClock.now + .seconds(patience)
        while try !condition() {
            guard ContinuousClock.now < deadline else {
                throw OutOfTime(
                    description: "not within \(patience) s: \(what)\(state()); its complaints: \(complaints.suffix(5))")
            }
            browser.runBriefly()
        }
    }

    /// The text of the first element that a selector finds, as it is rendered.
    func text(_ selector: String) throws -> String {
        try value("document.querySelector('\(selector)').innerText", as: String.self)
    }

    /// Types into what has the focus, as a keyboard does, and ends with Enter.
    func type(_ text: String) throws {
        try call("Input.insertText", ["text": text])
        let enter: [String: Any] = ["key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"]
        try call("Input.dispatchKeyEvent", enter.merging(["type": "keyDown"]) { $1 })
        try call("Input.dispatchKeyEvent", enter.merging(["type": "keyUp"]) { $1 })
    }

    /// Writes signs one by one, as a keyboard does.
    func write(_ text: String) throws {
        for sign in text.map(String.init) {
            try call("Input.dispatchKeyEvent", ["type": "keyDown", "key": sign, "text": sign])
            try call("Input.dispatchKeyEvent", ["type": "keyUp", "key": sign])
        }
    }

    /// Presses and lets go of a key that writes nothing, or Enter or Escape.
    func press(_ key: String, shift: Bool = false) throws {
        let codes = [
            "Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36, "ArrowLeft": 37,
            "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
        ]
        let code = try #require(codes[key], "a known key")
        var stroke: [String: Any] = [
            "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": shift ? 8 : 0,
        ]
        if key == "Enter" { stroke["text"] = "\r" }
        try call("Input.dispatchKeyEvent", stroke.merging(["type": key == "Enter" ? "keyDown" : "rawKeyDown"]) { $1 })
        stroke["text"] = nil
        try call("Input.dispatchKeyEvent", stroke.merging(["type": "keyUp"]) { $1 })
    }

    /// Writes what is seen to a PNG file.
    func takePicture(_ path: String) throws {
        let data = try call("Page.captureScreenshot", ["format": "png"])["data"] as? String
        try #require(data.flatMap { Data(base64Encoded: $0) }).write(to: URL(fileURLWithPath: path))
    }

    private func heard(_ method: String, _ parameters: [String: Any]) {
        func part(_ name: String) -> [String: Any] { parameters[name] as? [String: Any] ?? [:] }
        switch method {
        case "Runtime.consoleAPICalled":
            guard let kind = parameters["type"] as? String, ["error", "warning", "assert"].contains(kind) else {
                return
            }
            let arguments = parameters["args"] as? [[String: Any]] ?? []
            let words = arguments.map { "\($0["value"] ?? $0["description"] ?? "")" }
            complaints.append("\(kind): \(words.joined(separator: " "))")
        case "Runtime.exceptionThrown": complaints.append("exception: \(part("exceptionDetails"))")
        case "Log.entryAdded":
            let entry = part("entry")
            guard let level = entry["level"] as? String, ["error", "warning"].contains(level) else { return }
            complaints.append("\(level): \(entry["text"] ?? "") \(entry["url"] ?? "")")
        case "Network.requestWillBeSent":
            requested.append(part("request")["url"] as? String ?? "")
            note(part("request")["headers"])
        case "Network.webSocketCreated": requested.append(parameters["url"] as? String ?? "")
        case "Network.requestWillBeSentExtraInfo": note(parameters["headers"])
        case "Network.webSocketWillSendHandshakeRequest": note(part("request")["headers"])
        case "Network.webSocketFrameReceived": frames.append(part("response")["payloadData"] as? String ?? "")
        case "Network.webSocketFrameSent": sent.append(part("response")["payloadData"] as? String ?? "")
        default: break
        }
    }

    private func note(_ headers: Any?) {
        let pairs = (headers as? [String: String] ?? [:]).map { ($0.key.lowercased(), $0.value) }
        requestHeaders.append(Dictionary(pairs) { first, _ in first })
    }
}

/// Reads JSON whose members are named as in JavaScript or, with underscores, as in the API.
func decodeJSON<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(text.utf8))
}
