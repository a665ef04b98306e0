/// QR codes (ISO/IEC 18004) by Debian's libqrencode, drawn as SVG: what a phone's camera reads off the enrolment page.
import CQRCode
import Glibc

/// Why a text has no QR code.
public struct QRCodeError: Error, CustomStringConvertible {
    /// One line.
    public let description: String
}

/// A text as black and white modules.
public struct QRCode: Sendable {
    /// Light modules on every side, which a reader needs to find the code (ISO/IEC 18004, section 6.3.8).
    private static let quietZone = 4

    /// Modules of a side, 21 to 177.
    private let side: Int
    /// Whether each is dark, row by row.
    private let modules: [Bool]

    /// The smallest code that holds the text, with error correction M: it is read with 15 % of it damaged.
    /// Throws where the text is empty or longer than 2,331 bytes (section 7.4, table 7).
    public init(_ text: String) throws(QRCodeError) {
        var bytes = Array(text.utf8)
        // Version 0 is the smallest that fits. The code is the caller's, to be freed by QRcode_free.
        guard let code = QRcode_encodeData(Int32(bytes.count), &bytes, 0, QR_ECLEVEL_M) else {
            let reason =
                errno == ERANGE ? "\(bytes.count) bytes are more than it holds" : String(cString: strerror(errno))
            throw QRCodeError(description: "cannot make a QR code: \(reason)")
        }
        defer { QRcode_free(code) }
        side = Int(code.pointee.width)
        // A byte a module; bit 0 says that it is dark, the others what it is for.
        let data = UnsafeBufferPointer(start: code.pointee.data, count: side * side)
        modules = data.map { $0 & 1 == 1 }
    }

    /// An SVG document, black on white whatever stands around it, as wide as its place. `title` is what a screen reader
    /// says; it is escaped.
    public func svg(title: String) -> String {
        let whole = side + 2 * Self.quietZone
        var path = ""
        for row in 0..<side {
            var column = 0
            while column < side {
                guard modules[row * side + column] else {
                    column += 1
                    continue
                }
                let start = column
                while column < side, modules[row * side + column] { column += 1 }
                let length = column - start
                path += "M\(start + Self.quietZone) \(row + Self.quietZone)h\(length)v1h-\(length)z"
            }
        }
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(whole) \(whole)\" role=\"img\" "
            + "shape-rendering=\"crispEdges\"><title>\(Self.escaped(title))</title>"
            + "<path fill=\"#fff\" d=\"M0 0h\(whole)v\(whole)h-\(whole)z\"/><path fill=\"#000\" d=\"\(path)\"/></svg>"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
