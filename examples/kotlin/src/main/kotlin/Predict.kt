import io.fovea.Run
import java.nio.file.Path
import kotlin.system.exitProcess

/** Prints the most probable classes of images: the folder of a run, then the images. */
fun main(arguments: Array<String>) {
    if (arguments.size < 2) {
        System.err.println("expected the folder of a run, and images")
        exitProcess(2)
    }
    Run.open(Path.of(arguments[0])).use { run ->
        println("${run.classes().size} classes, ${run.parameters()} parameters")
        for (image in arguments.drop(1)) {
            val best = run.predict(Path.of(image)).top(2)
            println("$image: ${best.joinToString("; ")}")
        }
    }
}
