/// How one app is set up: a link it opens, a file it imports, what to type by hand, and what to do, in words.
import QRCode
import Tracking

/// The set-up of an app for a device.
struct AppSetUp {
    /// A file that the app imports.
    struct File {
        let name: String
        let mediaType: String
        let content: String
    }

    /// A setting as the app names it.
    struct Setting {
        let name: String
        let value: String
        /// Whether it is to be hidden until somebody asks to see it.
        var isSecret = false
    }

    /// The name in the API, such as `owntracks`.
    let app: String
    /// The name people know it by.
    let name: String
    /// Where it runs, in words.
    let platforms: String
    /// What the app opens on the phone; nil where it has no such link.
    var link: String?
    /// Nil where it imports none.
    var file: File?
    var settings: [Setting] = []
    /// Three sentences or so.
    var steps: [String] = []

    /// Appends it as JSON; `drawsCode` adds its link's QR code, where it has one that fits.
    func append(to writer: inout JSONWriter, drawsCode: Bool) {
        writer.raw("{\"app\":")
        writer.string(app)
        writer.raw(",\"name\":")
        writer.string(name)
        writer.raw(",\"platforms\":")
        writer.string(platforms)
        if let link {
            writer.raw(",\"link\":")
            writer.string(link)
            if drawsCode { Self.append(code: link, title: "Set-up link of \(name)", to: &writer) }
        }
        if let file {
            writer.raw(",\"file\":{\"name\":")
            writer.string(file.name)
            writer.raw(",\"type\":")
            writer.string(file.mediaType)
            writer.raw(",\"content\":")
            writer.string(file.content)
            writer.raw("}")
        }
        writer.raw(",\"settings\":[")
        for (index, setting) in settings.enumerated() {
            writer.raw(index == 0 ? "{\"name\":" : ",{\"name\":")
            writer.string(setting.name)
            writer.raw(",\"value\":")
            writer.string(setting.value)
            writer.raw(setting.isSecret ? ",\"secret\":true}" : "}")
        }
        writer.raw("],\"steps\":[")
        for (index, step) in steps.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(step)
        }
        writer.raw("]}")
    }

    /// Appends `,"qr_svg":"…"`; nothing where the text is too long for a code.
    static func append(code text: String, title: String, to writer: inout JSONWriter) {
        guard let code = try? QRCode(text) else { return }
        writer.raw(",\"qr_svg\":")
        writer.string(code.svg(title: title))
    }
}

extension AppSetUp {
    /// How each app is set up, in the order in which they are offered.
    private static let makers: [(app: String, make: @Sendable (DeviceSetUp) -> AppSetUp)] = [
        ("owntracks", { .ownTracks($0) }), ("overland", { .overland($0) }), ("traccar", { .traccar($0) }),
        ("gpslogger", { .gpsLogger($0) }), ("osmand", { .osmAnd($0) }), ("browser", { .browser($0) }),
        ("transistorsoft", { .transistorsoft($0) }), ("native", { .native($0) }),
    ]

    /// The apps' names in the API.
    static var names: [String] { makers.map(\.app) }

    /// The set-ups of the apps that are named, of all where `apps` is nil.
    static func all(for device: DeviceSetUp, _ apps: Set<String>? = nil) -> [AppSetUp] {
        makers.filter { apps?.contains($0.app) ?? true }.map { $0.make(device) }
    }

    /// Appends them as a JSON array.
    static func append(_ all: [AppSetUp], to writer: inout JSONWriter, drawsCodes: Bool) {
        writer.raw("[")
        for (index, app) in all.enumerated() {
            if index > 0 { writer.raw(",") }
            app.append(to: &writer, drawsCode: drawsCodes)
        }
        writer.raw("]")
    }
}
