/// What needs no app from a store: the browser, apps that are built with Transistorsoft's library, and apps that speak
/// Drover's own protocol.

extension AppSetUp {
    /// The driver's page of this gateway.
    static func browser(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "browser", name: "Web browser", platforms: "any phone")
        setUp.link = "\(device.address)/driver#token=\(device.token)"
        setUp.steps = [
            "Scan the code with the phone's camera, or tap the link on the phone. Nothing has to be installed.",
            "Allow the page to use the location, and tap Start.",
            "Leave the page open and on top: a browser reports no position from behind another app or a locked screen.",
        ]
        return setUp
    }

    /// transistorsoft/flutter_background_geolocation, Config of version 5: what an app passes to `ready`. Its newest
    /// positions go first, so that it is on the map at once after a gap.
    static func transistorsoft(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(
            app: "transistorsoft", name: "Background Geolocation",
            platforms: "your own app, with Transistorsoft's library")
        let url = "\(device.address)/locations"
        let configuration = """
            {
              "url": \(DeviceSetUp.json(url)),
              "headers": { "Authorization": \(DeviceSetUp.json("Bearer \(device.token)")) },
              "autoSync": true,
              "batchSync": true,
              "maxBatchSize": 100,
              "locationsOrderDirection": "DESC",
              "distanceFilter": 10,
              "stopOnTerminate": false,
              "startOnBoot": true
            }

            """
        setUp.file = File(
            name: "background-geolocation.json", mediaType: "application/json", content: configuration)
        setUp.settings = [
            Setting(name: "url", value: url),
            Setting(name: "headers: Authorization", value: "Bearer \(device.token)", isSecret: true),
            Setting(name: "locationsOrderDirection", value: "DESC"),
        ]
        setUp.steps = [
            "Download the configuration, and give its members to the library's ready() in your app.",
            "Keep the token out of the app's source: fetch it after the driver has logged in.",
            "Start the library. It keeps positions while there is no network, and sends them later.",
        ]
        return setUp
    }

    /// Drover's own protocol.
    static func native(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "native", name: "Drover's own protocol", platforms: "your own app or tracker")
        let isSecure = device.address.hasPrefix("https://")
        let host = device.address.drop { $0 != "/" }.dropFirst(2)
        setUp.settings = [
            Setting(name: "WebSocket", value: "\(isSecure ? "wss" : "ws")://\(host)/v1/ingest"),
            Setting(name: "Subprotocol", value: "drover.ingest.v1"),
            Setting(name: "HTTP", value: "\(device.address)/v1/pings"),
            Setting(name: "Authorization", value: "Bearer \(device.token)", isSecret: true),
        ]
        setUp.steps = [
            "Read the descriptions at \(device.address)/asyncapi.yaml and /openapi.yaml.",
            "Open the WebSocket, or POST pings, with the token.",
            "Keep every ping until it is acknowledged, and send it again after a break.",
        ]
        return setUp
    }
}
