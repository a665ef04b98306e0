// What Overland is asked to set.
import Testing

@testable import Gateway

@Suite struct OverlandSettingsTests {
    @Test(arguments: [
        (500, "1s", "1s"), (1_000, "1s", "1s"), (3_000, "5s", "5s"), (15_000, "15s", "10s"), (60_000, "1m", "1m"),
        (600_000, "10m", "5m"), (86_400_000, "30m", "5m"),
    ])
    func `an interval becomes the nearest values that the app has`(interval: Int, send: String, least: String) {
        #expect(
            OverlandSettings.reply(interval: interval)
                == #"{"result":"ok","set":{"send_interval":"\#(send)","main":{"min_time":"\#(least)"},"trip":{"min_time":"\#(least)"}}}"#
        )
    }

    @Test func `without a wish the reply is the success alone`() {
        #expect(OverlandSettings.reply(interval: 0) == #"{"result":"ok"}"#)
    }
}
