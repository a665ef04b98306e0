/// The apps from the stores beside OwnTracks: Overland, Traccar Client, GPSLogger and OsmAnd.
import Tracking

extension AppSetUp {
    /// aaronpk/Overland-iOS, README.md, "Configuration by Custom URL": url, token and device_id, percent-encoded.
    static func overland(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "overland", name: "Overland", platforms: "iPhone")
        let url = "\(device.address)/overland"
        let id = device.driver.string
        setUp.link =
            "overland://setup?url=\(DeviceSetUp.escaped(url))&token=\(DeviceSetUp.escaped(device.token))"
            + "&device_id=\(DeviceSetUp.escaped(id))"
        setUp.settings = [
            Setting(name: "Receiver Endpoint URL", value: url), Setting(name: "Device ID", value: id),
            Setting(name: "Access Token", value: device.token, isSecret: true),
        ]
        setUp.steps = [
            "Install Overland from the App Store, open it once and allow it to use the location always.",
            "Scan the code with the phone's camera, or tap the link on the phone. Overland takes over the settings.",
            "Switch tracking on, and draw the slider on its first page to a send interval of a few seconds.",
        ]
        return setUp
    }

    /// traccar/traccar-client, lib/configuration_service.dart (`applyUri`): a link of any scheme but http has the server
    /// in `url`, query and all; other parameters are settings by their names. One that begins with http would lose its
    /// query, and with it the token. The link works from version 9.5 on; older versions are set up by hand.
    static func traccar(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "traccar", name: "Traccar Client", platforms: "iPhone and Android")
        let url = "\(device.address)/osmand?token=\(device.token)"
        let id = device.driver.string
        setUp.link =
            "org.traccar.client://config?url=\(DeviceSetUp.escaped(url))&id=\(DeviceSetUp.escaped(id))"
            + "&accuracy=highest&interval=10&distance=0&buffer=true&service=true"
        setUp.settings = [
            Setting(name: "Server URL", value: url, isSecret: true), Setting(name: "Device identifier", value: id),
            Setting(name: "Location accuracy", value: "Highest"), Setting(name: "Interval (seconds)", value: "10"),
        ]
        setUp.steps = [
            "Install Traccar Client from the App Store, Google Play or F-Droid and open it once.",
            "Scan the code with the phone's camera, or in the app's settings, or tap the link on the phone, and confirm.",
            "Switch on continuous tracking, and allow the app to use the location always.",
        ]
        return setUp
    }

    /// mendhak/gpslogger, PreferenceNames.java: a profile is a file of its preferences. The link that loads one
    /// (`gpslogger://properties/URL`) fetches it without a header, so its address would have to hold the token, which
    /// then stood in the logs of every proxy: there is the file alone.
    static func gpsLogger(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "gpslogger", name: "GPSLogger", platforms: "Android")
        let url = "\(device.address)/gpslogger"
        let lines = [
            "current_profile_name=Drover",
            "log_customurl_enabled=true", "log_customurl_url=\(url)", "log_customurl_method=POST",
            "log_customurl_body=%ALL", "log_customurl_headers=Content-Type: application/x-www-form-urlencoded",
            "log_customurl_basicauth_username=\(device.driver.string)",
            "log_customurl_basicauth_password=\(device.token)",
            // Seconds between two points, and none kept away for being near the last one.
            "time_before_logging=10", "distance_before_logging=0", "log_satellite_locations=true",
            "log_network_locations=true", "log_passive_locations=false", "startonbootup=true",
        ]
        setUp.file = File(
            name: "drover.properties", mediaType: "text/plain", content: lines.joined(separator: "\n") + "\n")
        setUp.settings = [
            Setting(name: "Log to custom URL", value: url), Setting(name: "HTTP method", value: "POST"),
            Setting(name: "HTTP body", value: "%ALL"),
            Setting(name: "Basic auth username", value: device.driver.string),
            Setting(name: "Basic auth password", value: device.token, isSecret: true),
        ]
        setUp.steps = [
            "Install GPSLogger from F-Droid or its releases on GitHub, and open this page on the phone.",
            "Download the profile here, then in GPSLogger's menu choose the default profile, From file, and pick it.",
            "Start logging. A point that cannot be sent is tried three times; for long gaps choose OwnTracks instead.",
        ]
        return setUp
    }

    /// OsmAnd, "Online tracking" of the Trip recording plugin: a URL with numbered parameters (osmandapp/OsmAnd,
    /// LiveMonitoringHelper.java). It has neither header nor link.
    static func osmAnd(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "osmand", name: "OsmAnd", platforms: "Android")
        let url =
            "\(device.address)/osmand?token=\(device.token)&unit=mps&lat={0}&lon={1}&timestamp={2}&hdop={3}"
            + "&altitude={4}&speed={5}&bearing={6}"
        setUp.settings = [
            Setting(name: "Web address", value: url, isSecret: true),
            Setting(name: "Tracking interval", value: "5 seconds"),
            Setting(name: "Time buffer", value: "4 hours"),
        ]
        setUp.steps = [
            "In OsmAnd switch on the plugin Trip recording, and open this page on the phone.",
            "Copy the web address here into the plugin's settings under Online tracking, and choose the interval.",
            "Start recording a trip with online tracking switched on.",
        ]
        return setUp
    }
}
