// What arrives damaged or is made up does no harm: the phones' decoders take it, or refuse it and leave nothing behind.

import Testing

@testable import Tracking

@Suite struct PhoneRobustnessTests {
    private static let overland =
        #"{"trip":{"mode":"car","distance":-1},"locations":[{"type":"Feature","geometry":{"type":"Point","coordinates":"#
        + #"[13.404954,52.520008,44]},"properties":{"timestamp":"2026-03-02T08:15:30-0700","speed":10,"course":-1,"#
        + #""horizontal_accuracy":8,"battery_level":0.83,"device_id":"van-12","trip_id":"a\u00e9"}}],"#
        + #""current":{"properties":{"timestamp":1760000000.5},"geometry":{"coordinates":["13.4","5.25e1"]}}}"#
    private static let traccar =
        #"{"device_id":48241179,"location":[{"timestamp":"2026-03-02T08:15:30.125Z","coords":{"latitude":52.520008,"#
        + #""longitude":13.404954,"accuracy":8.2,"speed":-1,"heading":271.4,"altitude":null},"mock":"false","#
        + #""battery":{"level":0.83}},{"sample":true}]}"#
    private static let form =
        "id=48241179&lat=52.520008&lon=13.404954&timestamp=2025-10-09%2010%3A53%3A20&speed=19.44&valid=1&batt=83"

    /// Decodes as Overland's, as Traccar's and as a form; how many positions there were in all.
    private static func decode(_ bytes: [UInt8], into batch: inout PingBatch) -> Int {
        var count = 0
        do throws(PingDecodingError) {
            try OverlandPings.decode(bytes.span, into: &batch, maximumPings: 10, assumedAccuracy: 20)
            count += batch.pings.count
        } catch { #expect(batch.pings.isEmpty) }
        do throws(PingDecodingError) {
            try TraccarPings.decode(bytes.span, into: &batch, maximumPings: 10, assumedAccuracy: 20)
            count += batch.pings.count
        } catch { #expect(batch.pings.isEmpty) }
        var fields = QueryFields([])
        fields.add(form: bytes.span)
        OsmAndPings.decode(fields, unit: nil, zerosAreUnknown: true, into: &batch, assumedAccuracy: 20, now: 0)
        count += batch.pings.count
        GPSLoggerPings.decode(fields, into: &batch, assumedAccuracy: 20)
        return count + batch.pings.count
    }

    @Test(arguments: [(overland, 2), (traccar, 1), (form, 2)])
    func `whole documents are read, cut ones are refused wherever they are cut`(text: String, positions: Int) {
        let bytes = Array(text.utf8)
        var batch = PingBatch()
        #expect(Self.decode(bytes, into: &batch) == positions)
        for end in 0..<bytes.count {
            let count = Self.decode(Array(bytes.prefix(end)), into: &batch)
            // A form has no end that could be missing.
            #expect(text == Self.form ? count <= positions : count == 0)
        }
    }

    @Test(arguments: [overland, traccar, form])
    func `altered documents trap nothing, and bring no more positions than there were`(text: String) {
        var generator = SeededGenerator(seed: 7)
        let bytes = Array(text.utf8)
        let signs = Array("{}[]\",:-+.eE0129%&=\\u\u{0}é".utf8)
        var batch = PingBatch()
        for _ in 0..<4_000 {
            var altered = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<altered.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: altered[index] = signs[Int.random(in: 0..<signs.count, using: &generator)]
                case 1: altered.insert(signs[Int.random(in: 0..<signs.count, using: &generator)], at: index)
                default: altered.remove(at: index)
                }
            }
            #expect(Self.decode(altered, into: &batch) <= 4)
        }
    }

    @Test func `objects in objects without end are refused, not followed`() {
        var batch = PingBatch()
        for start in [#"{"current":"#, #"{"location":{"coords":"#, #"{"locations":[{"geometry":{"coordinates":["#] {
            for inner in [#"{"coords":"#, #"{"properties":"#, "[", #"{"a":"#] {
                let text = start + String(repeating: inner, count: 100_000)
                #expect(Self.decode(Array(text.utf8), into: &batch) == 0)
            }
        }
    }
}
