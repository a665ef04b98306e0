// Reads QR codes as a phone's camera would: the SVG is painted, and Debian's zbarimg looks at the picture.

import Foundation
import LocalServers
import Testing

/// Reads what the gateway draws.
enum QRReader {
    /// Pixels of a module's side.
    private static let scale = 4

    /// The text of a code that is given as SVG.
    static func text(ofSVG svg: String) throws -> String {
        let box = try #require(svg.firstMatch(of: #/viewBox="0 0 (\d+) (\d+)"/#), "it has a box")
        let side = try #require(Int(box.1))
        #expect(box.1 == box.2)
        var pixels = [UInt8](repeating: 255, count: side * side)
        let black = try #require(svg.firstMatch(of: #/fill="#000" d="([^"]*)"/#), "it has dark modules").1
        for run in black.matches(of: #/M(\d+) (\d+)h(\d+)v1h-(\d+)z/#) {
            let column = try #require(Int(run.1))
            let row = try #require(Int(run.2))
            let length = try #require(Int(run.3))
            #expect(run.3 == run.4)
            for place in column..<(column + length) { pixels[row * side + place] = 0 }
        }
        let directory = try TemporaryDirectory(prefix: "qr")
        defer { directory.remove() }
        // A portable grey map, as netpbm defines it.
        var picture = Array("P5\n\(side * scale) \(side * scale)\n255\n".utf8)
        for row in 0..<(side * scale) {
            for column in 0..<(side * scale) { picture.append(pixels[row / scale * side + column / scale]) }
        }
        let path = "\(directory.path)/code.pgm"
        try Data(picture).write(to: URL(fileURLWithPath: path))
        // It complains aloud where there is no D-Bus.
        let output = try Command.runChecked(["sh", "-c", "zbarimg --quiet --raw --oneshot \"$0\" 2>/dev/null", path])
        return output.trimmingCharacters(in: .newlines)
    }
}
