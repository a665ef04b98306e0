/// What an app must be told so that it reports for a device, and the texts that go into links: every app's set-up is made
/// from this.
import Foundation
import Tracking

/// A device and where it reports to. It holds secrets and is written to nobody but the device's maker and the device.
struct DeviceSetUp {
    /// Where the gateway is, without a slash at the end.
    let address: String
    let driver: DriverID
    /// The device's public id; nil for a device whose tokens the platform signs.
    let device: String?
    /// What the device shows to be let in.
    let token: String
    /// What its OwnTracks encrypts with; nil where it does not.
    let encryptionKey: String?

    /// This set-up as a page; the token stands in the fragment, which no browser sends to anybody.
    var enrolURL: String { "\(address)/enroll#token=\(token)" }

    /// Two characters that stand for the driver on OwnTracks' map: the last two of its id that are letters or digits.
    var trackerID: String {
        let marks = driver.string.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        return String((marks.isEmpty ? driver.string : marks).suffix(2)).uppercased()
    }

    /// Text for a query's value: everything is escaped that is not unreserved (RFC 3986, section 2.3).
    static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(
            withAllowedCharacters: .init(
                charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"))
            ?? ""
    }

    /// Text as a JSON string of ASCII alone.
    static func json(_ text: String) -> String {
        var json = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x20...0x3D, 0x40...0x7D:
                if unit == 0x22 || unit == 0x5C { json += "\\" }
                json.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            // Those two would become + and / in base64.
            default: json += "\\u" + String(format: "%04x", Int(unit))
            }
        }
        return json + "\""
    }

    /// An ASCII JSON document as base64 in which nothing has to be escaped in a URL: a query is decoded differently by
    /// different apps. ASCII without `>`, `?`, `~` and DEL has no `+` or `/`, and spaces behind it fill up the `=`.
    static func base64(json: String) -> String {
        let filled = json + String(repeating: " ", count: (3 - json.utf8.count % 3) % 3)
        return Data(filled.utf8).base64EncodedString()
    }
}
