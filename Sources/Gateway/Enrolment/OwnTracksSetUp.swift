/// OwnTracks: an `.otrc` file, or a link with the same file in it, which iOS and Android both understand
/// (owntracks/booklet, docs/features/remoteconfig.md, "URL config"; the members: docs/tech/json.md, `_type=configuration`).
import Tracking

extension AppSetUp {
    static func ownTracks(_ device: DeviceSetUp) -> AppSetUp {
        var setUp = AppSetUp(app: "owntracks", name: "OwnTracks", platforms: "iPhone and Android")
        let configuration = ownTracksConfiguration(device)
        setUp.link = "owntracks:///config?inline=\(DeviceSetUp.base64(json: configuration))"
        setUp.file = File(
            name: "\(device.driver.string.replacing(":", with: "-")).otrc", mediaType: "application/json",
            content: configuration)
        setUp.settings = [
            Setting(name: "Mode", value: "HTTP"), Setting(name: "URL", value: "\(device.address)/pub"),
            Setting(name: "Identification: username", value: device.driver.string),
            Setting(name: "Identification: password", value: device.token, isSecret: true),
            Setting(name: "Device ID", value: deviceID(device)),
            Setting(name: "Tracker ID", value: device.trackerID),
        ]
        if let key = device.encryptionKey {
            setUp.settings.append(Setting(name: "Secret encryption key", value: key, isSecret: true))
        }
        setUp.steps = [
            "Install OwnTracks from the App Store, Google Play or F-Droid, open it once and allow it to use the location always.",
            "Scan the code with the phone's camera, or tap the link on the phone, and confirm the import in OwnTracks.",
            "Leave OwnTracks in Move mode while you drive. Its map then shows you, and so does the dispatcher's.",
        ]
        return setUp
    }

    /// Members that matter to Drover; all others stay as they are on the phone.
    private static func ownTracksConfiguration(_ device: DeviceSetUp) -> String {
        let members = [
            ("_type", "\"configuration\""),
            // Private HTTP.
            ("mode", "3"),
            ("url", DeviceSetUp.json("\(device.address)/pub")),
            ("auth", "true"), ("usePassword", "true"),
            ("username", DeviceSetUp.json(device.driver.string)),
            ("password", DeviceSetUp.json(device.token)),
            ("deviceId", DeviceSetUp.json(deviceID(device))),
            ("tid", DeviceSetUp.json(device.trackerID)),
            // A key of an earlier set-up would stay without this (owntracks/ios#774), and nobody could read what it seals.
            ("encryptionKey", DeviceSetUp.json(device.encryptionKey ?? "")),
            // Move: every ten seconds or ten metres, as a driver on a map needs it.
            ("monitoring", "2"), ("locatorInterval", "10"), ("locatorDisplacement", "10"),
            // Speed, course and battery.
            ("extendedData", "true"),
            // Nobody else may command or reconfigure the phone.
            ("cmd", "false"), ("remoteConfiguration", "false"), ("allowRemoteLocation", "false"),
        ]
        return "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func deviceID(_ device: DeviceSetUp) -> String { device.device ?? "phone" }
}
