@echo off
rem Runs the command line of a release on the Java of JAVA_HOME, or on that of the PATH. Nobody has run it on Windows yet.
setlocal
set "java=java"
if defined JAVA_HOME set "java=%JAVA_HOME%\bin\java"
"%java%" -XX:+IgnoreUnrecognizedVMOptions --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -cp "%~dp0..\lib\*" io.fovea.app.Fovea %*
